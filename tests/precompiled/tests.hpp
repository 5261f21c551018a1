// With a guard, as gcc warns of `#pragma once` where a header is compiled by itself.
#ifndef BACKSTAY_PRECOMPILED_TESTS
#define BACKSTAY_PRECOMPILED_TESTS

// What most tests include, parsed once for all of them. No test relies on it.
#include "../../src/precompiled/standard.hpp"

#include <doctest/doctest.h>

#endif
