// Package demo plays a day of chat: it starts a sandbox in this process and a server
// in another, registers phones, posts events, shows what arrives, and asks ClickHouse
// what became of everything. It uses the server as a customer would, over HTTP only.
package demo
