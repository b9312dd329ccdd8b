"""StyleGAN2-ADA in native PyTorch: networks, losses, augmentation, trainer, weights.

References
----------
.. [1] T. Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", CVPR 2020.
.. [2] T. Karras et al., "Training Generative Adversarial Networks with Limited Data", NeurIPS 2020.
"""
