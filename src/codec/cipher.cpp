#include "codec/cipher.hpp"
