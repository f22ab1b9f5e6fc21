"""Budgets: what an account means to spend in a month, and letters when half, four fifths and all of it is used.

Owns the budget and the alerts it gave. Does not own an amount that is spent: it is the total of the very draft that a
preview shows. Invariant: of a budget, a month and a threshold there is one alert, and one letter at most.
"""
