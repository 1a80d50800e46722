// Package web is what the HTTP surfaces share, so that each of them is its routes and its
// own checks and nothing else: who calls ([Guard]), errors as problems (RFC 9457), bodies
// within bounds and strictly read, with a JSON pointer to each mistake, pages of lists,
// answers for who is lost (404, 405), a panic that harms one request only, and the
// description of routes in OpenAPI.
//
// [New] makes an http.Handler of a list of routes. A surface that is none of echo's (one
// of another protocol) uses the parts alone.
package web
