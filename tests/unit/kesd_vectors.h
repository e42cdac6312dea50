/* SPDX-License-Identifier: Apache-2.0 */
/* What a real KES stored and sealed, with a throw-away key: its bytes are 00 01 ... 1f. */
#ifndef TESTS_KESD_VECTORS_H
#define TESTS_KESD_VECTORS_H

#define KESD_STORED_AES                                                                            \
    "CiQKIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4fEAESJAogzRL4dU9N2fpah/1IBv/ETvlQZ0Dm4SC+"     \
    "0Ux5jw17OS4QARoMCLbTj9gGEPa4zpACIkA2MDc0NmU3MmYzMmQ5NjI2Mzg2ZDE5YjRkNjI0M2YzNGJhMjQ3ZWVm"     \
    "NmJjYjM1ZDUxOTMyYmU2M2Q3NmYzNWJh"
#define KESD_STORED_CHACHA20                                                                       \
    "CiQKIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4fEAISJAogsUhVsbLHJSSyxRIPOR4A/AYGHCfax01P"     \
    "+ULWNp3dkS8QARoMCLbTj9gGEIK7yZcCIkA2MDc0NmU3MmYzMmQ5NjI2Mzg2ZDE5YjRkNjI0M2YzNGJhMjQ3ZWVm"     \
    "NmJjYjM1ZDUxOTMyYmU2M2Q3NmYzNWJh"
#define KESD_STORED_JSON "{\"bytes\":\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"}"

/* "hello" with the context "ctx" */
#define KESD_SEALED_AES "2FxTRirOTfVxukQk0ndqBrb28M7wtB53PIg4iPLr06R8DvnSeJ8ACXnzyMTnQeZLKA=="
#define KESD_SEALED_CHACHA20 "pqOfnoAOEjG0fTW9lW4SEiYnZd/UIp9q0XlM8A+Ii+cUkc9lZvk+shiwkIQ9JGooEA=="
/* "legacy" with the same context, under the AES key */
#define KESD_SEALED_JSON                                                                           \
    "eyJhZWFkIjogIkFFUy0yNTYtR0NNLUhNQUMtU0hBLTI1NiIsICJpdiI6ICJoQ3V0VkdjR0l4ejRoenpmMzBJZm13PT0i" \
    "LCAibm9uY2UiOiAibVEyTVdCVjBTc2tTY3lXZyIsICJieXRlcyI6ICJwd3oxamx4WkZKUVZCWFBGTW4vdjJPZzJ1Rzh6" \
    "RFE9PSJ9"
#define KESD_SEALED_MSGPACK                                                                        \
    "laZBRVMyNTasMmU3MWQwZDZjM2ExxBCEK61UZwYjHPiHPN/fQh+bxAyZDYxYFXRKyRJzJaDEFqcM9Y5cWRSUFQVzxTJ/" \
    "79joNrhvMw0="
/* HMAC of "msg" */
#define KESD_HMAC_AES "knjqEkShlMauuVxLg2TbOygp5Fa62iXB1ctcClPzQEo="

#endif
