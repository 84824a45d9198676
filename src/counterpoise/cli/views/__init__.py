"""What commands print: tables and panels made of results. Shares are shown in per cent."""
