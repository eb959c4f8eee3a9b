"""Files and bytes to upright sRGB pixels and to the pixels a network sees. Neither torch nor Qt."""
