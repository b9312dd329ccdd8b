"""StyleGAN2-ADA in native PyTorch: networks, losses, augmentation, trainer, weights.

References
----------
.. [1] T. Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", CVPR 2020.
.. [2] T. Karras et al., "Training Generative Adversarial Networks with Limited Data", NeurIPS 2020.
"""

from xraysynth.gan.first_calls import call_each_once

# Here, as nothing of ours computes with PyTorch in a process that has not passed.
call_each_once()
