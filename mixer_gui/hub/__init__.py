"""Everything that talks to a network. Neither torch nor Qt."""
