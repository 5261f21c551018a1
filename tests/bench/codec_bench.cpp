#include "codec/blob_id.hpp"
#include "codec/chunker.hpp"
#include "codec/cipher.hpp"
#include "codec/compression.hpp"
#include "support/seeded_bytes.hpp"

#include <cstdio>
#include <ctime>
#include <string>
#include <vector>

// Bytes a second of one core for every primitive of src/codec. Time is the thread's own, so other
// load matters little. Build with --buildtype=release.

using namespace backstay::core;

namespace
{

constexpr std::size_t amount = 32 * MiB;

double thread_seconds()
{
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

/// The best of some rounds.
template <typename Body>
double seconds_of(Body body)
{
    double best = 1e9;
    for (int round = 0; round < 5; ++round) {
        const double start = thread_seconds();
        body();
        best = std::min(best, thread_seconds() - start);
    }
    return best;
}

void print(const std::string& what, double bytes, double seconds)
{
    std::printf("%-44s %8.2f GB/s\n", what.c_str(), bytes / seconds / 1e9);
}

struct Data {
    const char* name;
    Bytes bytes;
};

Bytes repeated(std::size_t period)
{
    const Bytes unit = seeded_bytes(period, period);
    Bytes bytes(amount);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        bytes[i] = unit[i % period];
    }
    return bytes;
}

void bench_chunker()
{
    const std::vector<Data> all{{"random", seeded_bytes(1, amount)},
                                {"text", seeded_text(2, amount)},
                                {"zeros", Bytes(amount)},
                                {"period 24", repeated(24)}};
    for (const std::uint32_t average : {4096, 64 * 1024, 1024 * 1024}) {
        for (const ChunkerPath path : {ChunkerPath::scalar, ChunkerPath::avx2}) {
            if (!Chunker::supported(path)) {
                continue;
            }
            const Chunker chunker(seeded_bytes(3, 32), {average}, path);
            for (const Data& data : all) {
                const double seconds = seconds_of([&] {
                    for (ByteSpan rest = data.bytes; !rest.empty();) {
                        rest = rest.subspan(chunker.next_cut(rest, true));
                    }
                });
                print("chunker " + std::to_string(average / 1024) + " KiB, " +
                          (path == ChunkerPath::scalar ? "scalar, " : "AVX2, ") + data.name,
                      amount, seconds);
            }
        }
    }
}

void bench_hashes()
{
    const Bytes bytes = seeded_bytes(1, amount);
    print("SHA-256, 32 MiB", amount, seconds_of([&] { sha256(bytes); }));
    const BlobNamer namer(seeded_bytes(2, 32));
    for (const std::size_t size : {64 * KiB, 4 * KiB, std::size_t{64}}) {
        const std::size_t count = std::min<std::size_t>(amount / size, 50'000);
        const double seconds = seconds_of([&] {
            for (std::size_t i = 0; i < count; ++i) {
                namer.name(BlobKind::data, ByteSpan(bytes).subspan(i * size, size));
            }
        });
        print("blob id (HMAC-SHA256), " + std::to_string(size) + " bytes",
              static_cast<double>(count * size), seconds);
        std::printf("%-44s %8.0f ns each\n", "", seconds / static_cast<double>(count) * 1e9);
    }
}

void bench_cipher()
{
    Cipher cipher(seeded_bytes(1, 32));
    Bytes buffer(amount + seal_overhead);
    for (const std::size_t size : {1 * MiB, 16 * KiB, std::size_t{256}}) {
        const std::size_t count = std::min<std::size_t>(amount / size, 50'000);
        const double seconds = seconds_of([&] {
            for (std::size_t i = 0; i < count; ++i) {
                cipher.seal(Nonce{}, {}, ByteSpan(buffer).first(size), buffer);
            }
        });
        print("AES-256-GCM, in place, " + std::to_string(size) + " bytes",
              static_cast<double>(count * size), seconds);
    }
}

void bench_compression()
{
    constexpr std::size_t frame = 1 * MiB;
    Bytes out(Compressor::encoded_bound(frame));
    for (const Data& data :
         {Data{"text", seeded_text(1, amount)}, Data{"random", seeded_bytes(2, amount)}}) {
        for (const int level : {1, 2, 3}) {
            Compressor compressor(level);
            std::size_t size = 0;
            const double seconds = seconds_of([&] {
                size = 0;
                for (std::size_t at = 0; at < amount; at += frame) {
                    const ByteSpan plain = ByteSpan(data.bytes).subspan(at, frame);
                    size += compressor.encode(plain, out).bytes.size();
                }
            });
            const auto percent = 100.0 * static_cast<double>(size) / amount;
            print("zstd " + std::to_string(level) + ", " + data.name + ", to " +
                      std::to_string(percent).substr(0, 5) + " %",
                  amount, seconds);
        }
    }
}

} // namespace

int main()
{
    bench_chunker();
    bench_hashes();
    bench_cipher();
    bench_compression();
}
