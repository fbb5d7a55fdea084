// Package shop has mistakes to make in it, some of which its test sees.
package shop

// Price returns the price of n pieces. Ten or more are cheaper.
func Price(n int, member bool) int {
	price := 10 * n
	if n >= 10 {
		price = price - 5
	}
	if member {
		price--
	}
	return price
}

// Spin returns when n is zero.
func Spin(n int) bool {
	for n > 0 {
		n--
	}
	return true
}

// unused is reached by no test.
func unused(done chan<- bool) {
	done <- true
}
