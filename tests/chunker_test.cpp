#include "codec/chunker.hpp"

#include "base/error.hpp"
#include "codec/key_derivation.hpp"
#include "support/seeded_bytes.hpp"

#include <doctest/doctest.h>
#include <memory>
#include <openssl/evp.h>
#include <set>

using namespace backstay::core;

namespace
{

using Lengths = std::vector<std::size_t>;

Bytes key()
{
    return seeded_bytes(1, 32);
}

Lengths cut(const Chunker& chunker, ByteSpan bytes)
{
    Lengths lengths;
    while (!bytes.empty()) {
        lengths.push_back(chunker.next_cut(bytes, true));
        bytes = bytes.subspan(lengths.back());
    }
    return lengths;
}

/// Cuts as a reader does that sees `window` bytes at once, and each time at another address.
Lengths cut_by_windows(const Chunker& chunker, ByteSpan bytes, std::size_t window)
{
    Lengths lengths;
    while (!bytes.empty()) {
        const std::size_t size = std::min(window, bytes.size());
        Bytes copy(lengths.size() % 7);
        append(copy, bytes.first(size));
        const ByteSpan seen = ByteSpan(copy).subspan(lengths.size() % 7);
        lengths.push_back(chunker.next_cut(seen, size == bytes.size()));
        bytes = bytes.subspan(lengths.back());
    }
    return lengths;
}

Bytes repeated(ByteSpan unit, std::size_t size)
{
    Bytes bytes;
    while (bytes.size() < size) {
        append(bytes, unit);
    }
    bytes.resize(size);
    return bytes;
}

/// What a chunker meets: nothing to hold on to, too much of it, and the seams between.
std::vector<Bytes> samples(std::size_t size)
{
    std::vector<Bytes> all{seeded_bytes(2, size), seeded_text(3, size), Bytes(size)};
    for (const std::size_t period : {1, 2, 3, 4, 7, 8, 24, 64, 100, 1000, 3000, 5000}) {
        all.push_back(repeated(seeded_bytes(period, period), size));
    }
    // Repetition that is broken here and there.
    for (const std::size_t period : {5, 12, 256}) {
        Bytes broken = repeated(seeded_bytes(period + 50, period), size);
        SeededNumbers numbers(period);
        for (std::size_t at = 0; at < size; at += 1 + numbers.below(20'000)) {
            broken[at] ^= 1U;
        }
        all.push_back(std::move(broken));
    }
    Bytes counters(size);
    for (std::uint32_t i = 0; 4 * i + 4 <= size; ++i) {
        std::memcpy(counters.data() + std::size_t{4} * i, &i, sizeof i);
    }
    all.push_back(std::move(counters));
    return all;
}

/// The chunker as docs/format.md defines it, without any care for speed.
class PlainChunker
{
public:
    PlainChunker(ByteSpan cut_key, std::uint32_t average)
        : keys_(hkdf(cut_key, {}, "backstay chunker", 144)), average_(average),
          rarity_(average < 16 * 1024 ? 64 : 256), aes_(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free)
    {
        EVP_EncryptInit_ex(aes_.get(), EVP_aes_128_ecb(), nullptr, keys_.span().data() + 128,
                           nullptr);
        EVP_CIPHER_CTX_set_padding(aes_.get(), 0);
    }

    Lengths cut(ByteSpan bytes) const
    {
        Lengths lengths;
        while (!bytes.empty()) {
            lengths.push_back(first_chunk(bytes));
            bytes = bytes.subspan(lengths.back());
        }
        return lengths;
    }

private:
    static std::uint32_t word(const std::uint8_t* at)
    {
        return at[0] | at[1] << 8U | at[2] << 16U | static_cast<std::uint32_t>(at[3]) << 24U;
    }

    bool is_candidate(const std::uint8_t* end) const
    {
        const std::uint32_t hash = word(end - 4) * 0xc97c50ddU + word(end - 8) * 0x8979fb1bU;
        const std::uint64_t least = 0x80000000U - 0x100000000U / rarity_;
        return hash >= least && hash < 0x80000000U;
    }

    std::uint32_t value(const std::uint8_t* end) const
    {
        std::array<std::uint8_t, 16> block{};
        for (std::size_t half = 0; half < 2; ++half) {
            std::uint64_t sum = 0;
            for (std::size_t i = 0; i < 64; i += 8) {
                const std::uint8_t* k = keys_.span().data() + 64 * half + i;
                const std::uint32_t a = word(end - 64 + i) + word(k);
                const std::uint32_t b = word(end - 64 + i + 4) + word(k + 4);
                sum += std::uint64_t{a} * b;
            }
            for (std::size_t i = 0; i < 8; ++i) {
                block[8 * half + i] = static_cast<std::uint8_t>(sum >> 8 * i);
            }
        }
        int size = 0;
        EVP_EncryptUpdate(aes_.get(), block.data(), &size, block.data(), 16);
        return word(block.data());
    }

    std::size_t first_chunk(ByteSpan bytes) const
    {
        const std::size_t longest = std::min<std::size_t>(bytes.size(), std::size_t{4} * average_);
        const std::uint64_t base = 0x100000000U * rarity_ / average_;
        for (std::size_t length = average_ / 4; length < longest; ++length) {
            const std::uint64_t threshold =
                length < std::size_t{average_} * 13 / 16 ? base / 4 : base * 4;
            const std::uint8_t* end = bytes.data() + length;
            if (is_candidate(end) && value(end) < threshold) {
                return length;
            }
        }
        return longest;
    }

    Secret keys_;
    std::uint32_t average_;
    std::uint64_t rarity_;
    std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> aes_;
};

std::vector<ChunkerPath> paths()
{
    std::vector<ChunkerPath> all{ChunkerPath::fastest, ChunkerPath::scalar};
    if (Chunker::supported(ChunkerPath::avx2)) {
        all.push_back(ChunkerPath::avx2);
    }
    return all;
}

} // namespace

// From an implementation of docs/format.md in Python.
TEST_CASE("cuts are those of the format, for ever")
{
    for (const ChunkerPath path : paths()) {
        CAPTURE(static_cast<int>(path));
        const auto lengths = [&](std::uint32_t average, std::size_t size) {
            return cut(Chunker(key(), {average}, path), seeded_bytes(2, size));
        };
        CHECK(lengths(4096, 65536) == Lengths{3430, 5275, 3881, 3594, 7901, 3417, 3860, 4105, 5077,
                                              3170, 4002, 3643, 3653, 4118, 4141, 1905, 364});
        CHECK(lengths(16384, 300000) == Lengths{14430, 17018, 15462, 12216, 18749, 16322, 13416,
                                                14651, 14032, 16561, 15741, 8182, 13382, 14609,
                                                11466, 23507, 18718, 28766, 12772});
        CHECK(lengths(65536, 1000000) == Lengths{59126, 63138, 54516, 39457, 95472, 91407, 64803,
                                                 53255, 82257, 59600, 78239, 62095, 109986, 56503,
                                                 30146});
        CHECK(lengths(100000, 1000000) == Lengths{94197, 82583, 81682, 85380, 81701, 85127, 92761,
                                                  101313, 98621, 109986, 56503, 30146});
    }
}

TEST_CASE("every path cuts every kind of data as the definition does")
{
    for (const std::uint32_t average : {1024, 3001, 16'384, 65'536}) {
        const PlainChunker plain(key(), average);
        for (const Bytes& bytes : samples(std::size_t{10} * average + 77)) {
            const Lengths expected = plain.cut(bytes);
            for (const ChunkerPath path : paths()) {
                CAPTURE(average);
                CAPTURE(static_cast<int>(path));
                CHECK(cut(Chunker(key(), {average}, path), bytes) == expected);
            }
        }
    }
}

TEST_CASE("a cut right behind a repetition is found")
{
    // Dense candidates that repeat are passed over at once; the period and the end vary so that
    // some streams have a cut within a few bytes of that end.
    const std::uint32_t average = 2048;
    const PlainChunker plain(key(), average);
    for (std::uint64_t seed = 0; seed < 2500; ++seed) {
        CAPTURE(seed);
        SeededNumbers numbers(seed);
        Bytes bytes = repeated(seeded_bytes(seed, 5 + seed % 10), 5760 + numbers.below(2000));
        append(bytes, seeded_bytes(seed + 5000, 300));
        const Lengths expected = plain.cut(bytes);
        for (const ChunkerPath path : paths()) {
            CAPTURE(static_cast<int>(path));
            CHECK(cut(Chunker(key(), {average}, path), bytes) == expected);
        }
    }
}

TEST_CASE("every path cuts streams of every length about the limits alike")
{
    const std::uint32_t average = 1024;
    const PlainChunker plain(key(), average);
    const Bytes bytes = seeded_bytes(4, std::size_t{5} * average);
    for (const ChunkerPath path : paths()) {
        const Chunker chunker(key(), {average}, path);
        for (std::size_t size = 0; size <= bytes.size(); size += size < 1200 ? 1 : 37) {
            CAPTURE(static_cast<int>(path));
            CAPTURE(size);
            const ByteSpan stream = ByteSpan(bytes).first(size);
            CHECK(cut(chunker, stream) == plain.cut(stream));
        }
    }
}

TEST_CASE("cuts do not depend on how much of the stream is seen at once")
{
    for (const ChunkerPath path : paths()) {
        const Chunker chunker(key(), {4096}, path);
        for (const Bytes& bytes : {seeded_bytes(5, 300'001), seeded_text(6, 300'001)}) {
            const Lengths expected = cut(chunker, bytes);
            for (const std::size_t more : {0, 1, 63, 5000, 100'000}) {
                CAPTURE(static_cast<int>(path));
                CAPTURE(more);
                const std::size_t window = chunker.parameters().maximum() + more;
                CHECK(cut_by_windows(chunker, bytes, window) == expected);
            }
        }
    }
}

TEST_CASE("chunks cover the stream and keep to minimum and maximum")
{
    const Chunker chunker(key(), {4096});
    for (const Bytes& bytes : samples(400'000)) {
        const Lengths lengths = cut(chunker, bytes);
        std::size_t total = 0;
        for (std::size_t i = 0; i < lengths.size(); ++i) {
            total += lengths[i];
            CHECK(lengths[i] <= chunker.parameters().maximum());
            if (i + 1 < lengths.size()) {
                CHECK(lengths[i] >= chunker.parameters().minimum());
            }
        }
        CHECK(total == bytes.size());
    }
    CHECK(chunker.next_cut({}, true) == 0);
}

TEST_CASE("the mean chunk of random data is the average, within a tenth")
{
    for (const std::uint32_t average : {2048, 10'000, 65'536}) {
        CAPTURE(average);
        const Bytes bytes = seeded_bytes(average, std::size_t{600} * average);
        const double chunks = static_cast<double>(cut(Chunker(key(), {average}), bytes).size());
        const double mean = static_cast<double>(bytes.size()) / chunks / average;
        CHECK(mean > 0.9);
        CHECK(mean < 1.1);
    }
}

TEST_CASE("inserting, changing or removing a byte disturbs few chunks")
{
    const Chunker chunker(key(), {4096});
    const Bytes bytes = seeded_text(7, 1'000'000);
    const auto contents = [&](const Bytes& stream) {
        std::set<Bytes> chunks;
        auto at = stream.begin();
        for (const std::size_t length : cut(chunker, stream)) {
            chunks.emplace(at, at + static_cast<std::ptrdiff_t>(length));
            at += static_cast<std::ptrdiff_t>(length);
        }
        return chunks;
    };
    const std::set<Bytes> before = contents(bytes);
    SeededNumbers numbers(8);
    std::size_t disturbed = 0;
    for (int round = 0; round < 30; ++round) {
        Bytes changed = bytes;
        const auto at = changed.begin() + static_cast<std::ptrdiff_t>(numbers.below(bytes.size()));
        switch (round % 3) {
        case 0:
            changed.insert(at, 'X');
            break;
        case 1:
            *at ^= 1U;
            break;
        default:
            changed.erase(at);
            break;
        }
        std::size_t fresh = 0;
        for (const Bytes& chunk : contents(changed)) {
            fresh += before.count(chunk) == 0 ? 1 : 0;
        }
        CHECK(fresh >= 1);
        CHECK(fresh <= 20);
        disturbed += fresh;
    }
    CHECK(disturbed <= 30 * 4);
}

TEST_CASE("a run of any one byte is cut at the maximum, so that it deduplicates with itself")
{
    for (const std::uint32_t average : {4096, 16'384}) {
        const Chunker chunker(key(), {average});
        for (unsigned byte = 0; byte < 256; ++byte) {
            CAPTURE(byte);
            const Bytes run(chunker.parameters().maximum(), static_cast<std::uint8_t>(byte));
            CHECK(chunker.next_cut(run, false) == run.size());
        }
    }
}

TEST_CASE("another key cuts elsewhere")
{
    const Bytes bytes = seeded_bytes(9, 200'000);
    CHECK(cut(Chunker(seeded_bytes(1, 32), {4096}), bytes) !=
          cut(Chunker(seeded_bytes(2, 32), {4096}), bytes));
}

TEST_CASE("an average out of bounds is refused")
{
    CHECK_THROWS_AS(Chunker(key(), {0}), Error);
    CHECK_THROWS_AS(Chunker(key(), {least_chunk_average - 1}), Error);
    CHECK_THROWS_AS(Chunker(key(), {largest_chunk_average + 1}), Error);
    CHECK_THROWS_AS(Chunker(key(), {0xffffffff}), Error);
    CHECK_NOTHROW(Chunker(key(), {least_chunk_average}));
    CHECK_NOTHROW(Chunker(key(), {largest_chunk_average}));
}
