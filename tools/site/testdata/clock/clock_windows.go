package clock

// Windows is not in the documentation.
const Windows = true
