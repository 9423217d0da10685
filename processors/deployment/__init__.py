"""Versions of a model beside each other: is a new one worse than the one before it?"""
