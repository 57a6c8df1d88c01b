"""Running programs that nobody trusts: isolation that the kernel enforces, and verdicts that they cannot forge.

Who is who, for one program (decision 12):

- the grader (``cells.py``, ``cell.py``): our process. Unpacks nothing but one small, checked verdict.
- the zygote (``zygote.py``): a Python inside the isolation, standard library loaded. Forks the next two, ends them.
- the candidate (``candidate.py``): runs the program. It is asked for values and knows no test.
- the examiner (``examiner.py``): runs the tests and compares. It never runs a line of the program.

Where that does not tell right from wrong, tests are run beside the program, in the candidate (``together.py``);
``ways.py`` says which way a problem needs, and what cannot be judged (decision 32).

Candidate and examiner are confined in the same way (``confine.py``); they share one socket (``peer.py``).
"""
