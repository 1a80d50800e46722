package sandbox

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"chatbell/pipeline/webhooks"
)

// The files of a sandbox's folder.
const (
	caFile      = "ca.pem"
	caKeyFile   = "ca-key.pem"
	apnsKeyFile = "AuthKey.p8"
	fcmFile     = "fcm.json"
	hookFile    = "hook-secret.txt"
)

// The names that the services know.
const (
	apnsKeyID  = "SANDBOXKEY"
	apnsTeamID = "SANDBOXTM1"
	fcmProject = "chatbell-sandbox"
	fcmEmail   = "sandbox@chatbell-sandbox.iam.gserviceaccount.com"
)

// keys is what proves who is who.
type keys struct {
	ca         *x509.Certificate
	caKey      *ecdsa.PrivateKey
	apns       *ecdsa.PrivateKey
	fcm        *rsa.PrivateKey
	hookSecret string
}

// loadKeys reads the folder's keys and makes those that are not there.
func loadKeys(dir string) (*keys, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("sandbox: make the folder for keys: %w", err)
	}
	made := new(keys)
	for _, load := range []func(string) error{made.loadCA, made.loadAPNs, made.loadFCM, made.loadHookSecret} {
		if err := load(dir); err != nil {
			return nil, fmt.Errorf("sandbox: keys in %s: %w; remove the folder to have them made anew", dir, err)
		}
	}
	return made, nil
}

func (k *keys) loadCA(dir string) (err error) {
	if k.caKey, err = loadEC(filepath.Join(dir, caKeyFile)); err != nil {
		return err
	}
	path := filepath.Join(dir, caFile)
	if data, err := os.ReadFile(path); err == nil {
		block, _ := pem.Decode(data)
		if block == nil {
			return fmt.Errorf("%s holds no certificate", caFile)
		}
		k.ca, err = x509.ParseCertificate(block.Bytes)
		return err
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "chatbell sandbox"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().AddDate(10, 0, 0),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.caKey.Public(), k.caKey)
	if err != nil {
		return err
	}
	if k.ca, err = x509.ParseCertificate(der); err != nil {
		return err
	}
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644) //nolint:gosec // a certificate is public
}

// certificate is a new one for the listeners.
func (k *keys) certificate(host string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("sandbox: make a key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: "localhost"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().AddDate(1, 0, 0),
		DNSNames:     []string{"localhost"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if addr := net.ParseIP(host); addr != nil {
		template.IPAddresses = append(template.IPAddresses, addr)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, k.ca, key.Public(), k.caKey)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("sandbox: make a certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

func (k *keys) loadAPNs(dir string) (err error) {
	k.apns, err = loadEC(filepath.Join(dir, apnsKeyFile))
	return err
}

// loadEC reads a P-256 key in the form in which Apple hands them out, or makes one.
func loadEC(path string) (*ecdsa.PrivateKey, error) {
	data, err := os.ReadFile(path)
	if err == nil {
		key, err := parsePKCS8(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Base(path), err)
		}
		if ec, ok := key.(*ecdsa.PrivateKey); ok {
			return ec, nil
		}
		return nil, fmt.Errorf("%s holds another kind of key", filepath.Base(path))
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	text, err := pkcs8(key)
	if err != nil {
		return nil, err
	}
	return key, os.WriteFile(path, text, 0o600)
}

func pkcs8(key crypto.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

func parsePKCS8(data []byte) (crypto.PrivateKey, error) {
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, errors.New("no PEM block")
	}
	return x509.ParsePKCS8PrivateKey(block.Bytes)
}

// serviceAccount is the key file that Google hands out.
type serviceAccount struct {
	Type         string `json:"type"`
	ProjectID    string `json:"project_id"`
	PrivateKeyID string `json:"private_key_id"`
	PrivateKey   string `json:"private_key"`
	ClientEmail  string `json:"client_email"`
	ClientID     string `json:"client_id"`
	TokenURI     string `json:"token_uri"`
}

func (k *keys) loadFCM(dir string) error {
	data, err := os.ReadFile(filepath.Join(dir, fcmFile))
	if errors.Is(err, fs.ErrNotExist) {
		k.fcm, err = rsa.GenerateKey(rand.Reader, 2048)
		return err
	}
	if err != nil {
		return err
	}
	var a serviceAccount
	if err := json.Unmarshal(data, &a); err != nil {
		return fmt.Errorf("%s: %w", fcmFile, err)
	}
	key, err := parsePKCS8([]byte(a.PrivateKey))
	if err != nil {
		return fmt.Errorf("%s: %w", fcmFile, err)
	}
	var ok bool
	if k.fcm, ok = key.(*rsa.PrivateKey); !ok {
		return fmt.Errorf("%s holds another kind of key", fcmFile)
	}
	return nil
}

// writeServiceAccount writes the key file for where the token endpoint is now.
func (k *keys) writeServiceAccount(dir, tokenURI string) error {
	key, err := pkcs8(k.fcm)
	if err != nil {
		return fmt.Errorf("sandbox: encode the service account's key: %w", err)
	}
	data, err := json.MarshalIndent(&serviceAccount{
		Type:         "service_account",
		ProjectID:    fcmProject,
		PrivateKeyID: "sandbox",
		PrivateKey:   string(key),
		ClientEmail:  fcmEmail,
		ClientID:     "100000000000000000000",
		TokenURI:     tokenURI,
	}, "", "  ")
	if err != nil {
		return fmt.Errorf("sandbox: encode the service account: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, fcmFile), append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("sandbox: write the service account: %w", err)
	}
	return nil
}

func (k *keys) loadHookSecret(dir string) (err error) {
	k.hookSecret, err = loadSecret(filepath.Join(dir, hookFile), webhooks.NewSecret)
	return err
}

// loadSecret reads a file of one line, or makes it.
func loadSecret(path string, fresh func() string) (string, error) {
	data, err := os.ReadFile(path)
	if err == nil {
		return strings.TrimSpace(string(data)), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	secret := fresh()
	return secret, os.WriteFile(path, []byte(secret+"\n"), 0o600)
}
