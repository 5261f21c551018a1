#include "codec/cipher.hpp"

#include "base/error.hpp"

#include <cassert>
#include <climits>
#include <openssl/evp.h>

namespace backstay::core
{

namespace
{

struct FreeContext {
    void operator()(EVP_CIPHER_CTX* context) const noexcept { EVP_CIPHER_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_CIPHER_CTX, FreeContext>;

void demand(int result)
{
    if (result != 1) {
        throw Error(ErrorCode::internal, "AES-256-GCM of libcrypto failed");
    }
}

Context make_context(ByteSpan key, int encrypts)
{
    Context context(EVP_CIPHER_CTX_new());
    if (!context) {
        throw std::bad_alloc();
    }
    demand(EVP_CipherInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, key.data(), nullptr,
                             encrypts));
    return context;
}

} // namespace

/// Two contexts, so that sealing and opening in turn keep their key schedules.
struct Cipher::State {
    Context sealing;
    Context opening;
};

Cipher::Cipher(ByteSpan key) : state_(std::make_unique<State>())
{
    assert(key.size() == 32);
    state_->sealing = make_context(key, 1);
    state_->opening = make_context(key, 0);
}

Cipher::~Cipher() = default;
Cipher::Cipher(Cipher&&) noexcept = default;
Cipher& Cipher::operator=(Cipher&&) noexcept = default;

void Cipher::seal(const Nonce& nonce, ByteSpan associated, ByteSpan plain, MutableByteSpan out)
{
    assert(out.size() >= plain.size() + seal_overhead && plain.size() <= INT_MAX);
    EVP_CIPHER_CTX* context = state_->sealing.get();
    int size = 0;
    demand(EVP_EncryptInit_ex(context, nullptr, nullptr, nullptr, nonce.data()));
    demand(EVP_EncryptUpdate(context, nullptr, &size, associated.data(),
                             static_cast<int>(associated.size())));
    if (!plain.empty()) {
        demand(EVP_EncryptUpdate(context, out.data(), &size, plain.data(),
                                 static_cast<int>(plain.size())));
    }
    demand(EVP_EncryptFinal_ex(context, out.data() + plain.size(), &size));
    demand(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, static_cast<int>(seal_overhead),
                               out.data() + plain.size()));
}

bool Cipher::open(const Nonce& nonce, ByteSpan associated, ByteSpan sealed, MutableByteSpan out)
{
    if (sealed.size() < seal_overhead || sealed.size() > INT_MAX ||
        out.size() < sealed.size() - seal_overhead) {
        return false;
    }
    const std::size_t plain_size = sealed.size() - seal_overhead;
    std::array<std::uint8_t, seal_overhead> tag{};
    std::memcpy(tag.data(), sealed.data() + plain_size, tag.size());
    EVP_CIPHER_CTX* context = state_->opening.get();
    int size = 0;
    demand(EVP_DecryptInit_ex(context, nullptr, nullptr, nullptr, nonce.data()));
    demand(EVP_DecryptUpdate(context, nullptr, &size, associated.data(),
                             static_cast<int>(associated.size())));
    if (plain_size > 0) {
        demand(EVP_DecryptUpdate(context, out.data(), &size, sealed.data(),
                                 static_cast<int>(plain_size)));
    }
    demand(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, static_cast<int>(tag.size()),
                               tag.data()));
    std::array<std::uint8_t, 16> rest{};
    if (EVP_DecryptFinal_ex(context, rest.data(), &size) == 1) {
        return true;
    }
    if (plain_size > 0) {
        std::memset(out.data(), 0, plain_size);
    }
    return false;
}

} // namespace backstay::core
