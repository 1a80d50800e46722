package chatbell

// IsTraceParent reports whether s has the form of a W3C traceparent header, version 00 or
// one that is compatible with it: 00-<32 hex>-<16 hex>-<2 hex>, in lower case. What has
// not is kept out of our own headers, whoever sent it.
func IsTraceParent(text string) bool {
	const length = 55
	if len(text) != length || text[:2] == "ff" { // which the standard forbids
		return false
	}
	for i := range len(text) {
		char := text[i]
		switch {
		case i == 2 || i == 35 || i == 52:
			if char != '-' {
				return false
			}
		case (char < '0' || char > '9') && (char < 'a' || char > 'f'):
			return false
		}
	}
	return true
}
