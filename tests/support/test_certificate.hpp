#pragma once

#include "support/temp_dir.hpp"

#include "base/bytes.hpp"
#include "codec/hash.hpp"

#include <memory>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdexcept>
#include <string>

namespace backstay::core
{

/// A certificate and its key (P-256), made for a test: its own authority, or signed by another.
class TestCertificate
{
public:
    struct Wish {
        std::string name = "localhost"; ///< "" for an authority
        long from = -3600;              ///< seconds from now
        long until = 3600;
    };

    static TestCertificate authority() { return TestCertificate(Wish{"", -3600, 3600}, nullptr); }
    TestCertificate(const Wish& wish, const TestCertificate* issuer)
        : key_(EVP_EC_gen("P-256")), certificate_(X509_new())
    {
        if (!key_ || !certificate_) {
            throw std::runtime_error("cannot make a key");
        }
        static long serial = 1;
        X509* const x509 = certificate_.get();
        X509_set_version(x509, 2);
        ASN1_INTEGER_set(X509_get_serialNumber(x509), ++serial);
        X509_gmtime_adj(X509_getm_notBefore(x509), wish.from);
        X509_gmtime_adj(X509_getm_notAfter(x509), wish.until);
        X509_set_pubkey(x509, key_.get());
        const std::string common =
            wish.name.empty() ? "authority " + std::to_string(serial) : wish.name;
        X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_ASC,
                                   reinterpret_cast<const unsigned char*>(common.c_str()), -1, -1,
                                   0);
        const TestCertificate& by = issuer == nullptr ? *this : *issuer;
        X509_set_issuer_name(x509, X509_get_subject_name(by.certificate_.get()));
        if (wish.name.empty()) {
            add(NID_basic_constraints, "critical,CA:TRUE", by);
        } else {
            add(NID_subject_alt_name, "DNS:" + wish.name, by);
        }
        if (X509_sign(x509, by.key_.get(), EVP_sha256()) == 0) {
            throw std::runtime_error("cannot sign a certificate");
        }
    }

    /// Writes it as PEM.
    void write(const std::string& certificate_path, const std::string& key_path) const
    {
        const File certificate(fopen(certificate_path.c_str(), "w"));
        PEM_write_X509(certificate.get(), certificate_.get());
        const File key(fopen(key_path.c_str(), "w"));
        PEM_write_PrivateKey(key.get(), key_.get(), nullptr, nullptr, 0, nullptr, nullptr);
    }

    /// SHA-256 of its public key, in base64.
    std::string pin() const
    {
        unsigned char* der = nullptr;
        const int size = i2d_PUBKEY(key_.get(), &der);
        const auto digest = sha256({der, static_cast<std::size_t>(size)});
        OPENSSL_free(der);
        return to_base64(digest);
    }

private:
    struct Free {
        void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
        void operator()(X509* certificate) const { X509_free(certificate); }
        void operator()(X509_EXTENSION* extension) const { X509_EXTENSION_free(extension); }
        void operator()(FILE* file) const { fclose(file); }
    };
    using File = std::unique_ptr<FILE, Free>;

    void add(int what, const std::string& value, const TestCertificate& issuer)
    {
        X509V3_CTX context;
        X509V3_set_ctx(&context, issuer.certificate_.get(), certificate_.get(), nullptr, nullptr,
                       0);
        const std::unique_ptr<X509_EXTENSION, Free> extension(
            X509V3_EXT_conf_nid(nullptr, &context, what, value.c_str()));
        X509_add_ext(certificate_.get(), extension.get(), -1);
    }

    std::unique_ptr<EVP_PKEY, Free> key_;
    std::unique_ptr<X509, Free> certificate_;
};

} // namespace backstay::core
