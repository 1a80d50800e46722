// Package templates turns notifications into words: a catalogue for each network,
// made of the built-in texts in 21 languages and the network's own, rendered by
// go-i18n with a parser of ours.
//
// # Templates
//
// A text holds placeholders and nothing else: {{.Actor}}, {{.Channel}}, {{.Subject}}
// (who joined), {{.Text}} (the message, or what stands for it) and {{.Count}}. There
// are no loops, no functions and no conditions, so that a customer's text can neither
// hang nor fail once it was accepted. [New] refuses what it does not know, with line
// and column. Plurals are go-i18n's forms (one, few, many, other …) of the language;
// they are chosen by the number of people that the notification is about.
//
// # Languages
//
// [Catalogue.Resolve] goes from the exact locale over its parents (pt-BR → pt,
// zh-TW → zh-Hant) to the network's default, and to English last. Locales come from
// strangers: what cannot be understood counts as no wish.
//
// # Names
//
// Names come from strangers too: they lose line breaks, control characters and
// whatever turns the direction of the text around them. A name whose direction
// differs from the language's is put between U+2068 and U+2069 where the text has
// other words; a text that is only the name, or only the message, stays as it is.
//
// A Catalogue and a [Builtin] are immutable and safe for concurrent use.
package templates
