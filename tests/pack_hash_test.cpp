#include "repo/pack_hash.hpp"

#include "support/seeded_bytes.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <random>
#include <thread>
#include <vector>

using namespace backstay::core;

namespace
{

constexpr std::size_t header = 8;
constexpr std::size_t piece = 1000;
constexpr std::size_t pieces = 400;

} // namespace

TEST_CASE("the name is that of the whole, in whatever order pieces come")
{
    const Bytes pack = seeded_bytes(1, header + pieces * piece + 77);
    std::vector<std::size_t> order(pieces);
    for (std::size_t i = 0; i < pieces; ++i) {
        order[i] = i;
    }
    for (unsigned seed = 0; seed < 5; ++seed) {
        std::shuffle(order.begin(), order.end(), std::mt19937(seed));
        PackHash hash;
        hash.begin(ByteSpan(pack).first(header));
        for (const std::size_t i : order) {
            hash.add(pack.data(), header + i * piece, piece);
        }
        CHECK(hash.finish(pack) == PackId::from(sha256(pack)));
    }
}

TEST_CASE("the name is that of the whole when several threads add")
{
    const Bytes pack = seeded_bytes(2, header + pieces * piece);
    for (int round = 0; round < 20; ++round) {
        PackHash hash;
        hash.begin(ByteSpan(pack).first(header));
        std::vector<std::thread> threads;
        for (std::size_t first = 0; first < 4; ++first) {
            threads.emplace_back([&, first] {
                for (std::size_t i = first; i < pieces; i += 4) {
                    hash.add(pack.data(), header + i * piece, piece);
                }
            });
        }
        for (std::thread& thread : threads) {
            thread.join();
        }
        CHECK(hash.finish(pack) == PackId::from(sha256(pack)));
    }
}

TEST_CASE("an empty pack is its header and its end")
{
    const Bytes pack = seeded_bytes(3, 100);
    PackHash hash;
    hash.begin(ByteSpan(pack).first(header));
    CHECK(hash.finish(pack) == PackId::from(sha256(pack)));
}
