package postgres

// EncodeHeaders is for tests that insert rows by themselves.
func EncodeHeaders(headers map[string]string) string { return encodeHeaders(headers, nil) }
