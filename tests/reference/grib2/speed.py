"""How long ecCodes takes to read one radar composite, beside which `a_composite_of_24_million_points_is_timed` is set:

    python speed.py FILE
    cargo test --workspace --locked --lib -- --ignored timed --nocapture

Both read the file from the disk's cache, decode and hand out all values, six times, on one thread; wall and CPU time in seconds.
"""

import sys
import time

import eccodes

for _ in range(6):
    wall, cpu = time.perf_counter(), time.process_time()
    with open(sys.argv[1], "rb") as file:
        message = eccodes.codes_grib_new_from_file(file)
        values = eccodes.codes_get_values(message)
        eccodes.codes_release(message)
    print(f"{time.perf_counter() - wall:.4f} s, {time.process_time() - cpu:.4f} s CPU, {values.size} points")
