"""Several devices: the mesh, and functions that run on each of its devices."""

from ._cores import cores as cores, use_cores as use_cores, usual_mesh as usual_mesh
from ._mesh import (
    bring_home as bring_home,
    check_divides as check_divides,
    check_mesh as check_mesh,
    check_same as check_same,
    device_mesh as device_mesh,
    gather as gather,
    is_alone as is_alone,
    is_writer as is_writer,
    on_any as on_any,
    replicate as replicate,
    split as split,
    split_batches as split_batches,
)
from ._shard import each_on_its_device as each_on_its_device, mean_over_devices as mean_over_devices
