<?php
/** What PHP and Python must agree on to the last byte: tests/data/companion_vectors.json, read by both. */

function vectors() {
	return json_decode( file_get_contents( dirname( __DIR__ ) . '/data/companion_vectors.json' ), true );
}

function test_a_token_is_the_one_that_python_expects() {
	foreach ( vectors()['tokens'] as $case ) {
		$token = Cartwheel_Token::mint( $case['secret'], $case['topic'], $case['connection_id'], $case['user_id'], $case['origin'], $case['now'], $case['nonce'] );
		same( $case['token'], $token, $case['about'] );
	}
}

function test_an_address_is_compared_and_hashed_as_in_python() {
	foreach ( vectors()['emails'] as $case ) {
		if ( $case['needs_intl'] && ! class_exists( 'Normalizer' ) ) {
			continue;
		}
		same( $case['normalised'], Cartwheel_Checkouts::normalise_email( $case['raw'] ) );
		same( $case['sha256'], hash( 'sha256', Cartwheel_Checkouts::normalise_email( $case['raw'] ) ) );
	}
}

function test_a_checkout_has_the_body_that_python_reads() {
	$case = vectors()['checkout'];
	$body = Cartwheel_Webhooks::body( $case['row'] );
	same( $case['body'], json_encode( $body ) );
}
