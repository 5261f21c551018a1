#include "codec/compression.hpp"
