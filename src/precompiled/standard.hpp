// With a guard, as gcc warns of `#pragma once` where a header is compiled by itself.
#ifndef BACKSTAY_PRECOMPILED_STANDARD
#define BACKSTAY_PRECOMPILED_STANDARD

// What most sources include, parsed once for each target instead of once for each source. No source
// relies on it: each includes what it uses, and `tests/run --long` builds without it. No fmt here:
// its headers ask gcc to optimize them even at -O0, and gcc keeps `__OPTIMIZE__` defined behind
// that for all who read it precompiled, so that <immintrin.h> takes the forms that -O0 cannot
// compile.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#endif
