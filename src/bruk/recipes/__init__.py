"""Programs that run inside a job: pretrain, evaluate, serve, and the corpus of the demo.

Each is started as ``python -m bruk.recipes.NAME config.json`` and speaks to Bruk through the
contract of a run alone: environment variables, folders, a progress file, SIGTERM. Any other
program that honours that contract runs on Bruk just as well.

A recipe must never import anything of Bruk outside this package, and nothing outside it imports
a recipe. This module imports nothing, so that the corpus can be collected without PyTorch.

Look next at :mod:`bruk.recipes.run` for the contract.
"""
