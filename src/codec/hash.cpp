#include "codec/hash.hpp"
