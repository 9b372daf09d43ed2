"""The lab: `checks`, which its notebook calls, and `grading`, with which teachers grade it."""
