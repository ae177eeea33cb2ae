"""Texts that would take long to read without budgets, and hostile ones."""

BOMBS = [
    "9**9**9**9",
    "2^" * 1000 + "2",
    "(" * 10**6,
    "(" * 2000 + "1" + ")" * 2000,
    "1" * 10**6,
    "-" * 4000 + "1",
    "10^" + "9" * 900,
    "(x+1)^1000000",
    "(a+b+c+d+e+f)^5*" * 200 + "1",
    "+".join(f"1/(x+y/{i})" for i in range(1, 99)),
    "*".join(f"((9^2000+{i})/(7^2000+{i}))" for i in range(1, 99)),
    "1,111" * 800,
    "(1," * 1000,
    r"\frac" * 800,
    "{" * 4000,
    "\N{ARABIC-INDIC DIGIT THREE}",
    "__import__('os').system('true')",
    "\ud800",
]
