package bench

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"time"

	"golang.org/x/sync/errgroup"
)

// handshakesPerSecond is how many connections with certificates at both ends this machine makes at best: over loopback, both ends in this
// process, one byte each way, 64 side by side. It is what an outage that ends for all at once is held against.
func handshakesPerSecond() (float64, error) {
	config, err := bothEnds()
	if err != nil {
		return 0, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	go func() {
		for {
			raw, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer raw.Close()
				c := tls.Server(raw, config)
				_, _ = io.CopyN(c, c, 1) // the other end says what is wrong
			}()
		}
	}()
	n, began := make([]int, 64), time.Now()
	var g errgroup.Group
	for i := range n {
		g.Go(func() error {
			for ; time.Since(began) < probeTime; n[i]++ {
				c, err := tls.Dial("tcp", listener.Addr().String(), config)
				if err != nil {
					return err
				}
				_, err = c.Write([]byte{1})
				if err == nil {
					_, err = io.ReadFull(c, make([]byte, 1))
				}
				if closed := c.Close(); err != nil || closed != nil {
					return firstError(err, closed)
				}
			}
			return nil
		})
	}
	err = g.Wait()
	total := 0
	for _, each := range n {
		total += each
	}
	return float64(total) / time.Since(began).Seconds(), err
}

// bothEnds is a TLS configuration for either end, with one certificate that both trust.
func bothEnds() (*tls.Config, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "probe"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert, Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}}}, nil
}
