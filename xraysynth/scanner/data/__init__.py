"""Tables that the scanner reads: materials, tube spectra, palettes."""
