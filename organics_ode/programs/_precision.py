"""Matrix products in full float32, which is not the default on GPUs and TPUs."""

import jax

# Decorates a function: its products have full precision wherever it is traced. By default a GPU
# multiplies float32 in TF32, accurate to 1e-3. Training tolerates that, but a residual below 2e-5
# cannot be reached, and the sign of an eigenvalue cannot be determined. Products inside a user's
# circuit are included, and so are their derivatives; a handwritten derivative rule is traced
# separately, and needs this decorator as well. On a CPU it changes nothing.
in_full_precision = jax.default_matmul_precision("highest")
