"""What a teacher's machine does: hand the lab out, run submissions in a sandbox, and grade them.

`grade` goes through a folder. `submission` finds and reads the notebooks, `wall` builds the
sandbox, `run` runs a notebook in it by way of `inside`, and `feedback` writes pages and the table.
`release` makes the students' version of the lab from the solution.
"""
