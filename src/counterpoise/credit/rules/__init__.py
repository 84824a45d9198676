"""One credit rule per file; `credit.registry.RULES` names them."""
