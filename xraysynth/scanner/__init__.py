"""The X-ray scanner: materials, beam, rays, detector, pseudo-colour. Needs numpy, not torch."""
