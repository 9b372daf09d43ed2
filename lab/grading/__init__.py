"""What a teacher's machine does: hand the lab out, run submissions behind walls, and grade them.

`grade` goes through a folder, `submission` grades one notebook in a separate process, `run` runs
its cells, `wall` keeps it in, `feedback` writes its page, and `release` makes the students' version
of the lab from the solution, by way of `course`.
"""
