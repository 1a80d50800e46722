package chatbell

// IsTraceParent reports whether s has the form of a W3C traceparent header, version 00 or
// one that is compatible with it: 00-<32 hex>-<16 hex>-<2 hex>, in lower case. What has
// not is kept out of our own headers, whoever sent it.
func IsTraceParent(s string) bool {
	const length = 55
	if len(s) != length || s[:2] == "ff" { // which the standard forbids
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case i == 2 || i == 35 || i == 52:
			if c != '-' {
				return false
			}
		case (c < '0' || c > '9') && (c < 'a' || c > 'f'):
			return false
		}
	}
	return true
}
