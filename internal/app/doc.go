// Package app puts the parts together: the only place that knows every package. [New]
// opens them in the order in which they need each other; what one part needs of another
// is a value that is handed on, so that the compiler checks that order. [App.Run] works
// until its context ends, and stops the parts in the reverse order, so that work in hand
// is finished or handed back before the part that would keep it is gone.
//
// What the outside calls is a list of surfaces (surfaces.go). Nothing here is global.
package app
