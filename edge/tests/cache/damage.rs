//! Files that were damaged before they were opened: random damage, by the promises of the fuzz
//! target. Counts: `TIDEGATE_CACHE_IMAGES` (600), `TIDEGATE_SEED` (1).

use tidegate_edge::base::prng::Prng;

#[path = "../../fuzz/bodies/cache_image.rs"]
mod cache_image;

#[test]
fn random_damage_is_a_miss() {
    let number = |name, default| {
        let text = std::env::var(name).ok();
        text.map_or(default, |text| text.parse::<u64>().expect("a number"))
    };
    let images = number("TIDEGATE_CACHE_IMAGES", 600);
    let first = number("TIDEGATE_SEED", 1);
    for seed in first..first + images {
        let mut prng = Prng::new(seed);
        let most = [1, 4, 40, 400][usize::try_from(prng.below(4)).expect("small")];
        let edits = 1 + prng.below(most);
        let mut data = Vec::new();
        for _ in 0..edits {
            let mut edit = prng.next_u64().to_le_bytes();
            if edit[0] % 8 >= 6 && !prng.chance(20) {
                edit[0] = 1; // another version or length hides all other damage: few of these
            }
            data.extend_from_slice(&edit);
        }
        println!("TIDEGATE_SEED={seed}");
        cache_image::check(&data);
    }
}
