// Package supervision keeps actors running: supervisors as in OTP, static and dynamic, each available as Props.
package supervision
