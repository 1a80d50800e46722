package webhooks

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// The signatures that an endpoint may ask for.
const (
	SignatureStandard = "standard"
	SignatureAmity    = "amity"
)

const secretPrefix = "whsec_"

var (
	errNoSecret     = errors.New("the webhook has no secret; calls are never sent unsigned")
	errSecretBase64 = errors.New("the webhook's secret begins with whsec_, but what follows is not base64")
	errSignature    = errors.New("unknown signature; it is standard or amity")
)

// Signer signs calls. It is immutable and safe for concurrent use.
type Signer struct {
	standard []*standardwebhooks.Webhook // empty unless asked for
	amity    string                      // the key of x-amity-signature; empty unless asked for
}

// NewSigner makes a signer for the signatures asked for (none means standard) from
// one secret, or from several while an endpoint's secret is rotated: the newest
// first. Each secret signs in webhook-signature, where a receiver accepts any of
// several; x-amity-signature has place for one, and the newest takes it.
//
// The key of webhook-signature is what follows whsec_, decoded from base64. A
// secret without that prefix is used as it is written; if it happens to be base64
// it signs once more with the decoded key, because that is how the libraries of
// the specification read such a secret. The key of x-amity-signature is always the
// secret as it is written, whsec_ included.
func NewSigner(signatures []string, secrets ...string) (*Signer, error) {
	for _, text := range signatures {
		if text != SignatureStandard && text != SignatureAmity {
			return nil, errSignature
		}
	}
	if len(secrets) == 0 || slices.Contains(secrets, "") {
		return nil, errNoSecret
	}
	signer := new(Signer)
	if slices.Contains(signatures, SignatureAmity) {
		signer.amity = secrets[0]
	}
	if len(signatures) == 0 || slices.Contains(signatures, SignatureStandard) {
		for _, secret := range secrets {
			if err := signer.addStandard(secret); err != nil {
				return nil, err
			}
		}
	}
	return signer, nil
}

func (s *Signer) addStandard(secret string) error {
	decoded, err := standardwebhooks.NewWebhook(secret)
	if encoded, prefixed := strings.CutPrefix(secret, secretPrefix); prefixed {
		if err != nil || encoded == "" {
			return errSecretBase64 // the library's text may quote the secret
		}
		s.standard = append(s.standard, decoded)
		return nil
	}
	written, werr := standardwebhooks.NewWebhookRaw([]byte(secret))
	if werr != nil {
		return fmt.Errorf("use the webhook's secret: %w", werr)
	}
	s.standard = append(s.standard, written)
	if err == nil {
		s.standard = append(s.standard, decoded)
	}
	return nil
}

// Bounds of an endpoint's secret. Standard Webhooks asks for 24 to 64 bytes behind
// whsec_; Amity asks for nothing, and 16 characters are what we ask of every key.
const (
	minStandardBytes = 24
	maxStandardBytes = 64
	minAmityLength   = 16
)

// CheckSecret reports what is wrong with a secret for the signatures asked for (none
// means standard), without quoting it. [NewSigner] takes more, because it also signs
// with secrets that were made elsewhere; this is for those that are given to chatbell.
func CheckSecret(signatures []string, secret string) error {
	if len(signatures) > 0 && !slices.Contains(signatures, SignatureStandard) {
		if len(secret) < minAmityLength {
			return fmt.Errorf("must have at least %d characters", minAmityLength)
		}
		return nil
	}
	encoded, ok := strings.CutPrefix(secret, secretPrefix)
	if !ok {
		return fmt.Errorf("must be %s and the base64 of %d to %d random bytes, for Standard Webhooks' signature", secretPrefix, minStandardBytes, maxStandardBytes)
	}
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return fmt.Errorf("must have base64 after %s (A-Z, a-z, 0-9, + and /, filled up with = to a multiple of 4)", secretPrefix)
	}
	if len(key) < minStandardBytes || len(key) > maxStandardBytes {
		return fmt.Errorf("must have %d to %d bytes after %s, has %d", minStandardBytes, maxStandardBytes, secretPrefix, len(key))
	}
	return nil
}

// NewSecret makes a secret in the form of the Standard Webhooks specification: whsec_
// and 32 random bytes in base64.
func NewSecret() string {
	var key [32]byte
	rand.Read(key[:]) // never fails (crypto/rand)
	return secretPrefix + base64.StdEncoding.EncodeToString(key[:])
}

// Sign adds the headers for one try of a call.
func (s *Signer) Sign(header http.Header, id string, when time.Time, body []byte) error {
	if s.amity != "" {
		header.Set("X-Amity-Signature", amitySignature(s.amity, body))
	}
	// The id and the time are sent in any case: receivers drop repeats by the id.
	header.Set(standardwebhooks.HeaderWebhookID, id)
	header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(when.Unix(), 10))
	if len(s.standard) == 0 {
		return nil
	}
	signatures := make([]string, len(s.standard))
	for i, w := range s.standard {
		sig, err := w.Sign(id, when, body)
		if err != nil {
			return fmt.Errorf("sign the webhook call: %w", err)
		}
		signatures[i] = sig
	}
	header.Set(standardwebhooks.HeaderWebhookSignature, strings.Join(signatures, " "))
	return nil
}

// VerifyAmity reports whether a signature is the one of the body: base64 of
// HMAC-SHA256. It takes the same time wherever they differ.
func VerifyAmity(secret, signature string, body []byte) bool {
	return hmac.Equal([]byte(signature), []byte(amitySignature(secret, body)))
}

func amitySignature(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
