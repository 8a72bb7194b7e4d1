"""Power, cooling, carbon, energy price and accelerators, as pure calculations with units and sources.

Nothing here reads a meter, a clock, the network or a database; whoever measures hands in numbers.
What is summed goes in and comes out as integers (`energy_j`, `carbon_mg`, `microeur`); each total is
rounded once, half to even. Start with `accelerator` (the catalogue), `power` (watts and joules),
`series` (what changes by the hour), `carbon` and `price` (what joules cost), `footprint` (a run's figures for
the ledger), `split` (exact sharing).
"""
