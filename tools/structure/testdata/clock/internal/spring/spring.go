// Package spring imports nothing.
package spring
