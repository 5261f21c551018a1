#include "codec/cipher.hpp"

#include "base/error.hpp"

#include <cassert>
#include <openssl/evp.h>

namespace backstay::core
{

namespace
{

constexpr std::size_t key_size = 32;

// EVP counts in int.
constexpr std::size_t largest_step = std::size_t{1} << 30;

void require(int result)
{
    if (result != 1) {
        throw Error(ErrorCode::internal, "AES-256-GCM failed in libcrypto");
    }
}

} // namespace

struct Cipher::State {
    struct Free {
        void operator()(EVP_CIPHER_CTX* old) const noexcept { EVP_CIPHER_CTX_free(old); }
    };
    std::unique_ptr<EVP_CIPHER_CTX, Free> context{EVP_CIPHER_CTX_new()};

    enum class Direction { open = 0, seal = 1 };

    /// Takes the nonce and the associated data; key and cipher stay. GCM runs AES forward both
    /// ways, so one key schedule serves both directions.
    void start(Direction direction, const Nonce& nonce, ByteSpan associated)
    {
        require(EVP_CipherInit_ex(context.get(), nullptr, nullptr, nullptr, nonce.data(),
                                  static_cast<int>(direction)));
        update(associated, nullptr);
    }

    /// `out` is null for associated data.
    void update(ByteSpan in, std::uint8_t* out)
    {
        while (!in.empty()) {
            const ByteSpan step = in.first(std::min(in.size(), largest_step));
            int done = 0;
            require(EVP_CipherUpdate(context.get(), out, &done, step.data(),
                                     static_cast<int>(step.size())));
            out = out == nullptr ? nullptr : out + step.size();
            in = in.subspan(step.size());
        }
    }
};

Cipher::Cipher(ByteSpan key) : state_(std::make_unique<State>())
{
    assert(key.size() == key_size);
    if (!state_->context) {
        throw std::bad_alloc();
    }
    require(
        EVP_EncryptInit_ex(state_->context.get(), EVP_aes_256_gcm(), nullptr, key.data(), nullptr));
}

Cipher::~Cipher() = default;
Cipher::Cipher(Cipher&&) noexcept = default;
Cipher& Cipher::operator=(Cipher&&) noexcept = default;

void Cipher::seal(const Nonce& nonce, ByteSpan associated, ByteSpan plain, MutableByteSpan out)
{
    assert(out.size() >= plain.size() + seal_overhead);
    state_->start(State::Direction::seal, nonce, associated);
    state_->update(plain, out.data());
    std::uint8_t* tag = out.data() + plain.size();
    int none = 0;
    require(EVP_CipherFinal_ex(state_->context.get(), tag, &none));
    require(EVP_CIPHER_CTX_ctrl(state_->context.get(), EVP_CTRL_AEAD_GET_TAG,
                                static_cast<int>(seal_overhead), tag));
}

bool Cipher::open(const Nonce& nonce, ByteSpan associated, ByteSpan sealed, MutableByteSpan out)
{
    if (sealed.size() < seal_overhead) {
        std::fill(out.begin(), out.end(), std::uint8_t{0});
        return false;
    }
    const std::size_t size = sealed.size() - seal_overhead;
    assert(out.size() >= size);
    // Copied first: libcrypto wants it writable.
    std::array<std::uint8_t, seal_overhead> tag;
    std::copy_n(sealed.data() + size, tag.size(), tag.begin());
    state_->start(State::Direction::open, nonce, associated);
    state_->update(sealed.first(size), out.data());
    require(EVP_CIPHER_CTX_ctrl(state_->context.get(), EVP_CTRL_AEAD_SET_TAG,
                                static_cast<int>(tag.size()), tag.data()));
    std::uint8_t unused = 0;
    int none = 0;
    if (EVP_CipherFinal_ex(state_->context.get(), &unused, &none) == 1) {
        return true;
    }
    std::fill_n(out.data(), size, std::uint8_t{0});
    return false;
}

} // namespace backstay::core
