"""Problems that are drawn from a seed, or shipped with the package."""
