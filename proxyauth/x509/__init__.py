"""PURE: X.509's forms: DER, names, certificates, CAs with their CRLs and signing policies, proof of possession."""
