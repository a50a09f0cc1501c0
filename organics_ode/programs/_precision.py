"""Products of matrices in full float32, which GPUs and TPUs do not take by themselves."""

import jax

# Decorates a function: its products are of full precision wherever it is traced. By default a GPU
# multiplies float32 in TF32, right to 1e-3: training bears that, but a residual below 2e-5 cannot
# be reached, nor the sign of an eigenvalue be told. What a user's circuit multiplies inside is
# included, and so are derivatives of it; a rule for a derivative that is written by hand is traced
# by itself, and needs this as well. On a CPU it changes nothing.
in_full_precision = jax.default_matmul_precision("highest")
