package shop

import "testing"

func TestPrice(t *testing.T) {
	if got := Price(11, false); got != 105 {
		t.Fatal(got)
	}
	if got := Price(10, false); got != 95 {
		t.Fatal(got)
	}
}

func TestSpin(t *testing.T) {
	if !Spin(3) {
		t.Fatal("it is done")
	}
}
