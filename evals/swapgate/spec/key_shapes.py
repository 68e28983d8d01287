"""What keys and passwords look like in a text, so that none is stored or kept in a prompt."""

from __future__ import annotations

import re

# As the services themselves print them; the last one finds what is named a secret, whoever issued it.
KEYS = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]+?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|\b(?:sk|pk|rk)[-_](?:ant-|proj-|live_|test_|or-)?[A-Za-z0-9_-]{16,}"
    r"|\bgh[pousr]_[A-Za-z0-9]{36,}|\bgithub_pat_\w{22,}|\bglpat-[\w-]{20,}"
    r"|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bAIza[\w-]{35}|\bxox[abprs]-[\w-]{10,}|\bhf_[A-Za-z0-9]{30,}"
    r"|\bgsk_[A-Za-z0-9]{20,}|\bxai-[A-Za-z0-9]{20,}|\bSG\.[\w-]{16,}\.[\w-]{16,}|\bnpm_[A-Za-z0-9]{36}"
    r"|\bpypi-[\w-]{32,}|\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]*"
    r"|\bdop_v1_[0-9a-f]{64}|\br8_[A-Za-z0-9]{37}|(?i:\bbearer\s+)(?=[A-Za-z_.~+/-]*\d)[\w.~+/-]{16,}=*"
    r"|(?<=://)[^\s/:@]{1,256}:[^\s/@]{1,256}(?=@)"
    r"|(?i:\b(?:authorization|bearer|api[_-]?key|secret|token|password|passwd)\b[\"']?\s*[:=]\s*[\"']?)"
    r"(?i:bearer\s+|basic\s+)?[^\s\"',;}]{6,}"
)
