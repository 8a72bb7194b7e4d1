"""Tables shipped with Bruk: one comma-separated file a subject, one row a value.

Every row says `value, unit, source, retrieved`. A source that begins with `unverified` or `assumed`
names a figure that no document backs; an operator replaces it by a measurement or a contract.
This room holds data only; nothing here computes. `bruk.facility.tables` reads it.

How the derived tables were made: `carbon_intensity` is the plain mean of the hourly values of 2022 for
each zone, over the year and over each UTC hour of the day; `energy_price` is the plain mean of the hourly
day-ahead price of 2022. Both are rounded to two decimals.
"""
