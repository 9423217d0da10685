"""Explanation monitors: on what do models base their answers, and is it still the same?"""
