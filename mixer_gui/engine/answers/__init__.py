"""Answers to questions about a picture that was run: one function for each kind of question."""
